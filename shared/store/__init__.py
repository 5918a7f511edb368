"""DynamoDB: the only place that knows keys, rows and expressions."""
