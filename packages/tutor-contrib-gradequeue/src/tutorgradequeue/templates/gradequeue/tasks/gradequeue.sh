{%- set manage = "gradequeue" if GRADEQUEUE_MODE == "service" else "./manage.py lms" -%}
{{ manage }} migrate --no-input{% if GRADEQUEUE_MODE == "embedded" %} submissions{% endif %}

{{ manage }} shell -v 0 -c "$(cat <<'END'
{% include "gradequeue/tasks/accounts.jinja" %}

END
)"
{%- if GRADEQUEUE_MODE == "embedded" %}
./manage.py lms waffle_flag --everyone --create send_to_submission_course.enable
{%- endif %}
