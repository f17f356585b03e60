{%- if GRADEQUEUE_MODE == "service" -%}
{%- set account = XQUEUE_MYSQL_USERNAME|gradequeue_quoted ~ ":" ~ XQUEUE_MYSQL_PASSWORD|gradequeue_quoted -%}
{%- set url = "mysql://" ~ account ~ "@" ~ MYSQL_HOST ~ ":" ~ MYSQL_PORT ~ "/" ~ XQUEUE_MYSQL_DATABASE -%}
gradequeue import-xqueue {{ url|gradequeue_shell }}
{%- else -%}
echo "What waits in the old service is taken over in the mode service only." >&2; exit 1 #
{%- endif %}
