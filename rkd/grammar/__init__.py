"""What an answer is held to: regular expressions and choices written as GBNF, grammars judged."""
