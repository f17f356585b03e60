from gradequeue.cli import main

main()
