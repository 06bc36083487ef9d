"""Text to weights to integer impacts. torch and transformers live only here."""
