"""The window and the process: command line, web server, pages, jobs. Imports ``pipelines``; nothing imports it."""
