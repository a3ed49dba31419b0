from tests.test_process import launch, redis

__all__ = ["launch", "redis"]
