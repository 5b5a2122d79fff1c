"""What `create` brings: the files a Modelfile names, found here."""
