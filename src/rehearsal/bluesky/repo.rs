//! Repositories: one record at most under each key (lexicons `com.atproto.repo.*`, packages/pds).

use serde_json::{Value, json};

use super::super::Server;
use super::model::Model;
use super::{Answer, Caller, MINUTE_MS, Query, Refusal, id, required, rules};

/// Points of an account in an hour; a new record costs three, a changed one two, a deletion one (docs.bsky.app).
const POINTS_MAX: u32 = 5_000;
const POINTS_WINDOW_MS: i64 = 60 * MINUTE_MS;
const CREATE_POINTS: u32 = 3;
const UPDATE_POINTS: u32 = 2;
const DELETE_POINTS: u32 = 1;
/// Writes in one `applyWrites`.
const WRITES_MAX: usize = 200;
const PAGE_DEFAULT: usize = 50;
const PAGE_MAX: usize = 100;

/// Where a record belongs.
struct Place {
    collection: String,
    rkey: String,
    /// `DID/COLLECTION/KEY`.
    path: String,
}

impl Place {
    fn new(did: &str, collection: &str, rkey: &str) -> Place {
        let path = format!("{did}/{collection}/{rkey}");
        Place { collection: collection.to_owned(), rkey: rkey.to_owned(), path }
    }

    fn answer(&self, record: &Value) -> Value {
        json!({ "uri": format!("at://{}", self.path), "cid": id::record_cid(record), "validationStatus": "valid" })
    }
}

impl Caller<'_> {
    /// The repository must be the caller's own.
    fn place(&self, input: &Value, rkey: &str) -> Result<Place, Refusal> {
        let repo = required(input, "repo")?;
        if repo != self.did && !repo.eq_ignore_ascii_case(&self.account.username) {
            return Err(Refusal::new(401, "AuthRequired", "Authentication Required"));
        }
        Ok(Place::new(&self.did, required(input, "collection")?, rkey))
    }

    fn spend(&self, model: &mut Model, points: u32) -> Result<(), Refusal> {
        let name = format!("points {}", self.did);
        match model.take(&name, points, POINTS_MAX, POINTS_WINDOW_MS, self.server.now()).0 {
            true => Ok(()),
            false => Err(Refusal::new(429, "RateLimitExceeded", "Rate Limit Exceeded")),
        }
    }
}

/// Makes a record, or replaces it; the same record again changes nothing, whatever `swapRecord` says.
pub(super) fn put(caller: &Caller, input: &Value) -> Answer {
    let place = caller.place(input, required(input, "rkey")?)?;
    let mut model = caller.server.bluesky();
    let record = rules::checked(&model, &caller.did, (&place.collection, &place.rkey), &input["record"])?;
    let there = model.kept.records.get(&place.path).map(id::record_cid);
    if there.as_deref() == Some(&id::record_cid(&record)) {
        return Ok(place.answer(&record));
    }
    // `null` means that nothing may be there; an absent one means nothing.
    let is_as_expected = match input.get("swapRecord") {
        None => true,
        Some(expected) => expected.as_str() == there.as_deref(),
    };
    if !is_as_expected {
        let found = there.as_deref().unwrap_or("null");
        return Err(Refusal::new(400, "InvalidSwap", &format!("Record was at {found}")));
    }
    caller.spend(&mut model, if there.is_some() { UPDATE_POINTS } else { CREATE_POINTS })?;
    let answer = place.answer(&record);
    model.write(&caller.account.name, place.path, record, caller.server.now())?;
    model.save(&caller.server.store)?;
    Ok(answer)
}

/// A key that is taken fails deep inside, which the reference server does not foresee.
fn taken() -> Refusal {
    Refusal::new(500, "InternalServerError", "Internal Server Error")
}

pub(super) fn create(caller: &Caller, input: &Value) -> Answer {
    let mut model = caller.server.bluesky();
    let minted = id::tid(caller.server.now(), model.kept.count);
    let place = caller.place(input, input["rkey"].as_str().unwrap_or(&minted))?;
    let record = rules::checked(&model, &caller.did, (&place.collection, &place.rkey), &input["record"])?;
    if model.kept.records.contains_key(&place.path) {
        return Err(taken());
    }
    caller.spend(&mut model, CREATE_POINTS)?;
    let answer = place.answer(&record);
    model.write(&caller.account.name, place.path, record, caller.server.now())?;
    model.save(&caller.server.store)?;
    Ok(answer)
}

/// All writes or none. Only creations are modelled.
pub(super) fn apply(caller: &Caller, input: &Value) -> Answer {
    let writes = input["writes"].as_array().filter(|writes| writes.len() <= WRITES_MAX);
    let writes = writes.ok_or_else(|| Refusal::invalid("Too many writes. Max: 200"))?;
    let mut model = caller.server.bluesky();
    let mut checked: Vec<(Place, Value)> = Vec::new();
    for write in writes {
        if write["$type"] != "com.atproto.repo.applyWrites#create" {
            return Err(Refusal::invalid("Input/writes must be a creation here"));
        }
        let minted = id::tid(caller.server.now(), model.kept.count + checked.len() as u64);
        let input = json!({ "repo": input["repo"], "collection": write["collection"] });
        let place = caller.place(&input, write["rkey"].as_str().unwrap_or(&minted))?;
        let record = rules::checked(&model, &caller.did, (&place.collection, &place.rkey), &write["value"])?;
        let is_twice = checked.iter().any(|(other, _)| other.path == place.path);
        if is_twice || model.kept.records.contains_key(&place.path) {
            return Err(taken());
        }
        checked.push((place, record));
    }
    caller.spend(
        &mut model,
        CREATE_POINTS * u32::try_from(checked.len()).unwrap_or(u32::MAX / CREATE_POINTS),
    )?;
    let mut results = Vec::new();
    for (place, record) in checked {
        let mut result = place.answer(&record);
        result["$type"] = "com.atproto.repo.applyWrites#createResult".into();
        results.push(result);
        model.write(&caller.account.name, place.path, record, caller.server.now())?;
    }
    model.save(&caller.server.store)?;
    Ok(json!({ "results": results }))
}

/// What is not there is deleted already.
pub(super) fn delete(caller: &Caller, input: &Value) -> Answer {
    let place = caller.place(input, required(input, "rkey")?)?;
    let mut model = caller.server.bluesky();
    if model.kept.records.contains_key(&place.path) {
        caller.spend(&mut model, DELETE_POINTS)?;
        model.remove(&place.path);
        model.save(&caller.server.store)?;
    }
    Ok(json!({}))
}

pub(super) fn get(server: &Server, query: &Query) -> Answer {
    let (repo, collection, rkey) =
        (query.required("repo")?, query.required("collection")?, query.required("rkey")?);
    let model = server.bluesky();
    let missing = || {
        Refusal::new(
            400,
            "RecordNotFound",
            &format!("Could not locate record: at://{repo}/{collection}/{rkey}"),
        )
    };
    let account = model.find(repo).ok_or_else(missing)?;
    let place = Place::new(&id::did(&account.name), collection, rkey);
    let record = model.kept.records.get(&place.path).ok_or_else(missing)?;
    let cid = id::record_cid(record);
    if query.get("cid").is_some_and(|wanted| wanted != cid) {
        return Err(missing());
    }
    Ok(json!({ "uri": format!("at://{}", place.path), "cid": cid, "value": record }))
}

/// Newest key first.
pub(super) fn list(server: &Server, query: &Query) -> Answer {
    let (repo, collection) = (query.required("repo")?, query.required("collection")?);
    let model = server.bluesky();
    let account = model.find(repo).ok_or_else(|| Refusal::invalid("Could not find repo"))?;
    let limit = query.get("limit").map_or(Ok(PAGE_DEFAULT), str::parse);
    let limit = limit.ok().filter(|limit| (1..=PAGE_MAX).contains(limit));
    let limit = limit.ok_or_else(|| Refusal::invalid("limit must be an integer between 1 and 100"))?;
    let prefix = format!("{}/{collection}/", id::did(&account.name));
    let below = query.get("cursor").map(|cursor| format!("{prefix}{cursor}"));
    let all = model.kept.records.iter().rev().filter(|(path, _)| path.starts_with(&prefix));
    let page: Vec<_> =
        all.filter(|(path, _)| below.as_ref().is_none_or(|below| *path < below)).take(limit).collect();
    let records: Vec<_> = page
        .iter()
        .map(|(path, record)| json!({ "uri": format!("at://{path}"), "cid": id::record_cid(record), "value": record }))
        .collect();
    let mut answer = json!({ "records": records });
    if page.len() == limit {
        answer["cursor"] = page[limit - 1].0[prefix.len()..].into();
    }
    Ok(answer)
}
