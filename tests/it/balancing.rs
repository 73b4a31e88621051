//! Calls are spread over all servers, and go on while servers come and go.
