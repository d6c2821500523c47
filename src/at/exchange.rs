//! One exchange as facts.
