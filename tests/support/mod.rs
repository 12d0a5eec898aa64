//! What the tests share: organisations, servers, proxies.
