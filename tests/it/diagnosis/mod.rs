//! What operators look with when something is wrong: `chat-relay tail` and `chat-relay doctor`.

// The page for a bug report.
mod doctor;
// The program tail, and what it has printed.
mod stage;
// What it prints, and in which form.
mod tail_lines;
// Nothing missing and nothing twice, whatever breaks.
mod tail_outages;
// What it cannot read, and who may read nothing.
mod tail_refused;
