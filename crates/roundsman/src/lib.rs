//! roundsman
