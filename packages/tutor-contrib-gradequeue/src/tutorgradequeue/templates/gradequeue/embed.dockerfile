RUN $PIP_COMMAND uninstall --yes edx-submissions gradequeue && \
    $PIP_COMMAND install {{ ("gradequeue" ~ GRADEQUEUE_PIP_SOURCE)|gradequeue_shell }}
