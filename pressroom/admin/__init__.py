"""What an operator does where the API is not enough: straight to the table, with AWS credentials of their own."""
