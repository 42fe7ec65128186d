"""The bundled personas and the script that writes them."""
