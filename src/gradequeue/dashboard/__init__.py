"""What an operator sees and does in a browser. A view is: parse, one read or one verb, render."""
