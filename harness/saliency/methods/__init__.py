"""The table of saliency methods, and one file per method, named as in its paper."""
