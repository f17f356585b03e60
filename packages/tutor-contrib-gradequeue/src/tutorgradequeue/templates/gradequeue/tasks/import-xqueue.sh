{%- set account = XQUEUE_MYSQL_USERNAME|gradequeue_quoted ~ ":" ~ XQUEUE_MYSQL_PASSWORD|gradequeue_quoted -%}
{%- set url = "mysql://" ~ account ~ "@" ~ MYSQL_HOST ~ ":" ~ MYSQL_PORT ~ "/" ~ XQUEUE_MYSQL_DATABASE -%}
gradequeue import-xqueue {{ url|gradequeue_shell }}
