//! Wire formats: what the bytes mean. Imports nothing of ours.
