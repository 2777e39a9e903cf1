//! `docs/asyncapi.yaml`: that it is a valid document, that nothing is missing, and that each of its
//! schemas is met. Every other scenario compares the frames of its clients with it.

// The document alone, and beside the tables of the code.
mod document;
// What happens in rooms, and streams of it.
mod events;
// What operations in rooms answer.
mod operations;
// Redis is away, or a part of it.
mod outages;
// Moderation, contacts, tokens.
mod people;
// What parts of the tour ask and meet.
mod tour;
// One pass through every operation and every frame.
mod whole;
