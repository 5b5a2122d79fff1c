"""What the pages Models and Hub are made of."""
