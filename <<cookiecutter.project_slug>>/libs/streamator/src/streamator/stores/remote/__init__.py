"""What remote stores share: stores whose data other processes see."""
