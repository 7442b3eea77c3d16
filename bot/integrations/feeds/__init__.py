"""Reading the article sources of K2C_ARTICLES: directories, feeds, GitHub repositories."""
