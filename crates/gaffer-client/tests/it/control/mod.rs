//! One connection for subscriptions and commands.

mod real;
mod script;
mod scripted;
