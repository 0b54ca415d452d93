"""What an operator deploys: `siaran.toml` and the environment, as frozen settings."""
