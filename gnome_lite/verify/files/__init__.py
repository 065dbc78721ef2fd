"""DFT handed out and taken back as folders: inputs of each program, the manifest, and what reads results back."""
