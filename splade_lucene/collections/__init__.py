"""Where text comes from: passages, queries and relevance judgments, streamed; errors name file and line."""
