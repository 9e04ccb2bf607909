//! JSON over TLS: projects and their tasks, made, listed, changed and deleted. Ids are UUIDs, everything has its times,
//! and what is made twice with one idempotency key is made once.

use std::sync::{Arc, Mutex};

use http::Response;
use serde_json::{Value, json};

use super::services::{self, Asked, Running, nothing};
use super::talk::{Reading, Sent, Talk};
use super::world::World;
use crate::harness::origin::Body;

/// An id that nothing ever has.
const NOBODY: &str = "00000000-0000-4000-8000-000000000000";

#[derive(Default)]
struct State {
    projects: Vec<Value>,
    tasks: Vec<Value>,
    /// What was made for each idempotency key.
    made: Vec<(String, Value)>,
}

pub fn start(world: &Arc<World>) -> Option<Running> {
    Some(services::start(true, world, Mutex::new(State::default()), handle))
}

fn handle(state: &Mutex<State>, world: &World, asked: &Asked<'_>) -> Response<Body> {
    let mut state = state.lock().unwrap();
    match (asked.method(), &asked.path[..]) {
        ("POST", ["v1", "projects"]) => make(&mut state, world, asked, None),
        ("POST", ["v1", "projects", project, "tasks"]) => make(&mut state, world, asked, Some(project)),
        ("GET", ["v1", "projects"]) => {
            let all = &state.projects;
            services::json(
                world,
                200,
                &json!({ "data": all, "total": all.len(), "generated_at": world.epoch_millis() }),
            )
        }
        ("GET", ["v1", "projects", id]) => one(world, &state.projects, id),
        ("GET", ["v1", "projects", id, "tasks"]) => {
            let done = asked.query("done").map(|done| Value::Bool(done == "true"));
            let fits =
                |task: &&Value| task["project_id"] == *id && done.as_ref().is_none_or(|done| task["done"] == *done);
            let tasks: Vec<_> = state.tasks.iter().filter(fits).cloned().collect();
            services::json(world, 200, &json!({ "data": tasks, "total": tasks.len() }))
        }
        ("GET", ["v1", "tasks", id]) => one(world, &state.tasks, id),
        ("GET", ["v1", "tasks", id, "history"]) => {
            let since = asked.query("since").unwrap_or_default();
            let event = json!({ "event": "created", "task": id, "at": world.moment(), "actor": "ada" });
            services::json(world, 200, &json!({ "since": since, "events": [event] }))
        }
        ("POST", ["v1", "tasks", "batch"]) => {
            let ids = asked.json()["ids"].clone();
            let found = state.tasks.iter().filter(|task| ids.as_array().is_some_and(|ids| ids.contains(&task["id"])));
            let titles: Vec<_> = found.map(|task| json!({ "id": task["id"], "title": task["title"] })).collect();
            services::json(world, 200, &json!({ "found": titles }))
        }
        ("PATCH", ["v1", "tasks", id]) => {
            let Some(task) = state.tasks.iter_mut().find(|task| task["id"] == *id) else { return missing(world) };
            for (name, value) in asked.json().as_object().into_iter().flatten() {
                task[name] = value.clone();
            }
            task["updated_at"] = json!(world.moment());
            services::json(world, 200, task)
        }
        ("DELETE", ["v1", "tasks", id]) => {
            let before = state.tasks.len();
            state.tasks.retain(|task| task["id"] != *id);
            if state.tasks.len() < before { nothing(world, 204) } else { missing(world) }
        }
        _ => missing(world),
    }
}

fn make(state: &mut State, world: &World, asked: &Asked<'_>, project: Option<&str>) -> Response<Body> {
    let key = asked.field("idempotency-key").to_owned();
    if let Some((_, made)) = state.made.iter().find(|(known, _)| !key.is_empty() && *known == key) {
        return services::json(world, 200, made);
    }
    let (id, now) = (world.uuid(), world.moment());
    let mut made = json!({ "id": id, "created_at": now, "updated_at": now, "version": 1 });
    if let Some(project) = project {
        made["project_id"] = json!(project);
        made["done"] = json!(false);
    }
    for (name, value) in asked.json().as_object().into_iter().flatten() {
        made[name] = value.clone();
    }
    let kind = if project.is_some() { "tasks" } else { "projects" };
    made["links"] = json!({ "self": format!("/v1/{kind}/{id}") });
    let all = if project.is_some() { &mut state.tasks } else { &mut state.projects };
    all.push(made.clone());
    state.made.push((key, made.clone()));
    let mut response = services::json(world, 201, &made);
    response.headers_mut().insert("location", format!("/v1/{kind}/{id}").parse().unwrap());
    response
}

fn one(world: &World, all: &[Value], id: &str) -> Response<Body> {
    let found = all.iter().find(|one| one["id"] == id);
    found.map_or_else(|| missing(world), |found| services::json(world, 200, found))
}

fn missing(world: &World) -> Response<Body> {
    let error = json!({ "error": { "code": "not_found", "trace_id": world.hex(32), "at": world.moment() } });
    services::json(world, 404, &error)
}

/// Two projects, some tasks, and what becomes of them.
pub fn flow(talk: &mut Talk<'_>) {
    talk.get("/v1/projects");
    talk.get(&format!("/v1/projects/{NOBODY}"));
    let (alpha, beta) = (project(talk, "Alpha", 1200), project(talk, "Beta", 800));
    talk.get(&format!("/v1/projects/{alpha}"));
    talk.get(&format!("/v1/projects/{beta}"));
    talk.get("/v1/projects");
    talk.get(&format!("/v1/projects/{alpha}/tasks"));
    let draw = task(talk, &alpha, "draw a plan", 2);
    talk.get(&format!("/v1/projects/{alpha}/tasks"));
    let build = task(talk, &alpha, "build a house", 1);
    talk.get(&format!("/v1/projects/{alpha}/tasks"));
    let rest = task(talk, &beta, "have a rest", 3);
    talk.get(&format!("/v1/projects/{beta}/tasks"));
    talk.get(&format!("/v1/tasks/{build}"));
    talk.get(&format!("/v1/tasks/{rest}"));
    talk.get(&format!("/v1/tasks/{draw}"));
    let since = talk.world.moment();
    talk.get(&format!("/v1/tasks/{draw}/history?since={}", since.replace(':', "%3A")));
    talk.post("/v1/tasks/batch", &json!({ "ids": [draw, rest], "fields": "title" }));
    talk.send(Sent::new("PATCH", &format!("/v1/tasks/{draw}")).json(&json!({ "done": true, "version": 2 })));
    talk.send(Sent::new("PATCH", &format!("/v1/tasks/{build}")).json(&json!({ "title": "build a shed" })));
    talk.get(&format!("/v1/tasks/{draw}"));
    talk.get(&format!("/v1/projects/{alpha}/tasks?done=true"));
    talk.get(&format!("/v1/projects/{alpha}/tasks?done=false"));
    talk.send(Sent::new("DELETE", &format!("/v1/tasks/{build}")));
    talk.get(&format!("/v1/tasks/{build}"));
    talk.get(&format!("/v1/tasks/{rest}"));
    talk.get(&format!("/v1/projects/{alpha}/tasks"));
    talk.send(Sent::new("DELETE", &format!("/v1/tasks/{build}")));
}

fn project(talk: &mut Talk<'_>, name: &str, budget: u64) -> String {
    let body = json!({ "name": name, "budget": budget, "request_id": talk.world.uuid7() });
    talk.post("/v1/projects", &body).at("/id")
}

/// Makes a task, twice with one key as a client does that lost the first answer.
fn task(talk: &mut Talk<'_>, project: &str, title: &str, priority: u64) -> String {
    let sent = Sent::new("POST", &format!("/v1/projects/{project}/tasks"))
        .json(&json!({ "title": title, "priority": priority, "due": "2027-01-31" }))
        .with("Idempotency-Key", talk.world.uuid())
        .with("traceparent", talk.world.traceparent());
    talk.send(sent.clone());
    talk.send(sent).at("/id")
}
