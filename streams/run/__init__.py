"""What every process needs: settings, logs, metrics, health, rule files."""
