"""What machines ask that look after this one: is it alive, is it ready, how does it stand."""
