"""The pages: parse, one read, render. The verbs: parse, one verb, back to the page."""
