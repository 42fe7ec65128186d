"""Models behind one small interface: in-process vLLM, any OpenAI-compatible server, transformers."""
