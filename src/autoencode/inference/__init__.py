"""What is done with a trained model: codes, reconstructions, samples, maps, anomalies."""
