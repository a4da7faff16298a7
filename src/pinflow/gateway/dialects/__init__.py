"""The dialects: the Kafka REST proxy's, that of an API in front of Kinesis, and the AWS SDKs'."""
