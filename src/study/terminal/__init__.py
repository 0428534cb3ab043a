"""What a person sees while a command runs: the console, the live view, progress before it, and the streams below."""
