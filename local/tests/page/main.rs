//! The web page over HTTP and in a headless Chromium.
//!
//! Needs `chromium` and `chromedriver` on the PATH (`make setup` installs both). Screenshots are left in cargo's directory for test output.

#[cfg(test)]
mod api;
#[cfg(test)]
mod browser;
#[cfg(test)]
mod serve;
#[cfg(test)]
mod ui;
