"""Job templates: plain, valid manifests; xtl/render.py puts values in after parsing."""
