"""``bench cuda``: is the engine on this GPU right, and how fast is it?"""
