//! The whole layer against a reference model. The bytes decide settings, requests, statuses,
//! headers, bodies, pendings, errors, the clock and where the caller goes away; everything that
//! happens is written down, and the model goes through it and says what had to happen.
//!
//! `scene` is what the bytes say, `world`, `upload` and `service` play it, `drive` polls, and
//! `model` judges by what is promised, and by nothing else.

#![no_main]

#[path = "layer/capture.rs"]
mod capture;
#[path = "layer/drive.rs"]
mod drive;
#[path = "layer/finish.rs"]
mod finish;
#[path = "layer/model.rs"]
mod model;
#[path = "layer/quiet.rs"]
mod quiet;
#[path = "layer/reading.rs"]
mod reading;
#[path = "layer/scene.rs"]
mod scene;
#[path = "layer/service.rs"]
mod service;
#[path = "layer/settings.rs"]
mod settings;
#[path = "layer/upload.rs"]
mod upload;
#[path = "layer/verdict.rs"]
mod verdict;
#[path = "layer/world.rs"]
mod world;

libfuzzer_sys::fuzz_target!(|scene: scene::Scene| drive::run(&scene));
