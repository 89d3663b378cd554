"""MenuGen: a photo of a menu becomes an illustrated menu. Everything behind it is Packmule, over HTTP."""
