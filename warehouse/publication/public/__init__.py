"""The edition for the public: the publication without the counts by which a few people could be known."""
