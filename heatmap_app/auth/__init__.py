"""Who may come in: one gate before pages, websockets, API and files alike. Denied unless a written rule says otherwise."""
