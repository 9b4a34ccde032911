//! roundsman-sql
