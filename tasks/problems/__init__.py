"""Problems written by a model: a persona and a template make a prompt, the reply passes a quality gate."""
