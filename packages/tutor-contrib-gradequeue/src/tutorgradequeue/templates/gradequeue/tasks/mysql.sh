{%- if GRADEQUEUE_MODE == "service" -%}
echo "Making gradequeue's database..."
{%- set client = ["mysql", "--user", MYSQL_ROOT_USERNAME, "--host", MYSQL_HOST, "--port", MYSQL_PORT] %}
export MYSQL_PWD={{ MYSQL_ROOT_PASSWORD|gradequeue_shell }}
{{ client|map("gradequeue_shell")|join(" ") }} <<'END'
CREATE DATABASE IF NOT EXISTS `{{ GRADEQUEUE_MYSQL_DATABASE }}` CHARACTER SET utf8mb4;
CREATE USER IF NOT EXISTS {{ XQUEUE_MYSQL_USERNAME|gradequeue_sql }}@'%';
ALTER USER {{ XQUEUE_MYSQL_USERNAME|gradequeue_sql }}@'%' IDENTIFIED BY {{ XQUEUE_MYSQL_PASSWORD|gradequeue_sql }};
GRANT ALL ON `{{ GRADEQUEUE_MYSQL_DATABASE }}`.* TO {{ XQUEUE_MYSQL_USERNAME|gradequeue_sql }}@'%';
END
{%- else -%}
echo "gradequeue is embedded: its tables are in the LMS's database."
{%- endif %}
