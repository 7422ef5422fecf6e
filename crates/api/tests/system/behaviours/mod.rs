//! How a release behaves when things do not go as planned, seen through the API alone.

mod builds;
mod gates;
mod regression;
mod stores;
mod trouble;
