"""What a plugin implements, and all that it imports: each interface is small and knows no other room."""
