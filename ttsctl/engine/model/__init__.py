"""The network of Qwen3-TTS-12Hz in PyTorch: checkpoint, text prompt, talker, code predictor, codec decoder."""
