//! The API's contract as text: an OpenAPI 3.1 document, from a list of operations and the types of
//! [`arm`](crate::arm).
//!
//! Schemas are derived from the types that are really sent and read, one way for requests (what may
//! be missing) and another for answers (what is always there), so the document cannot promise what
//! the code does not do. Whoever has the routes supplies the operations.

use std::collections::BTreeMap;

use schemars::generate::{SchemaGenerator, SchemaSettings};
use schemars::{JsonSchema, Schema};
use serde_json::{Map, Value, json};

use crate::arm::List;
use crate::arm::error::ErrorBody;

/// What writes the schema of one type into a document.
type SchemaOf = fn(&mut SchemaGenerator) -> Schema;

/// A parameter of a path or a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parameter {
    /// Its name, as in the URL.
    pub name: &'static str,
    /// What it means.
    pub meaning: &'static str,
    /// A regular expression that good values match; empty where there is none.
    pub pattern: &'static str,
    /// A good value.
    pub example: &'static str,
}

/// One operation: a method on a path.
pub struct Operation {
    id: &'static str,
    method: String,
    path: &'static str,
    summary: &'static str,
    needs_token: bool,
    query: Vec<Parameter>,
    request: Option<Request>,
    answers: BTreeMap<u16, Vec<SchemaOf>>,
    errors: Vec<u16>,
    /// `None`: ARM's.
    error: Option<SchemaOf>,
    /// It answers with plain text, not with JSON.
    text: bool,
}

struct Request {
    schema: SchemaOf,
    media_type: &'static str,
    required: bool,
    examples: Vec<Value>,
}

/// The version of the protocol. Any well-formed date is accepted.
const VERSION: Parameter = Parameter {
    name: "api-version",
    meaning: "The version of Azure's API that the client speaks: a date.",
    pattern: "^20[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])(-preview)?$",
    example: "2026-08-01",
};
const TOP: Parameter = Parameter {
    name: "$top",
    meaning: "The most entries on a page.",
    pattern: "^[1-9][0-9]{0,2}$",
    example: "100",
};
const SKIP_TOKEN: Parameter = Parameter {
    name: "$skipToken",
    meaning: "Where the page begins: from the `nextLink` of the page before.",
    pattern: "",
    example: "",
};
const FILTER: Parameter = Parameter {
    name: "$filter",
    meaning: "Which entries: `key eq 'value'`, joined by `and`.",
    pattern: "",
    example: "backupManagementType eq 'AzureIaasVM'",
};

/// What many operations take.
const COMMON: &[Parameter] = &[VERSION, TOP, SKIP_TOKEN, FILTER];

impl Operation {
    /// An operation that needs a token. `id` is Azure's name of it, such as `Vaults_Get`. Whatever
    /// it does, it may refuse: 400, 401, 403, 404, 413 are among its answers from the beginning.
    pub fn new(
        id: &'static str,
        method: impl Into<String>,
        path: &'static str,
        summary: &'static str,
    ) -> Self {
        Self {
            id,
            method: method.into(),
            path,
            summary,
            needs_token: true,
            query: vec![VERSION],
            request: None,
            answers: BTreeMap::new(),
            errors: vec![400, 401, 403, 404, 413],
            error: None,
            text: false,
        }
    }

    /// An operation that needs a token and is not Azure's: it takes no version, and answers 200
    /// with plain text.
    pub fn plain(id: &'static str, path: &'static str, summary: &'static str) -> Self {
        let operation = Self::new(id, "GET", path, summary).empty(200);
        Self { query: Vec::new(), text: true, ..operation }
    }

    /// An operation that is open to everybody, and that takes no version.
    pub fn open(
        id: &'static str,
        method: impl Into<String>,
        path: &'static str,
        summary: &'static str,
    ) -> Self {
        let operation = Self::new(id, method, path, summary);
        Self { needs_token: false, query: Vec::new(), errors: vec![400, 413], ..operation }
    }

    /// The method and the path, by which it is found.
    pub fn key(&self) -> (&str, &'static str) {
        (&self.method, self.path)
    }

    /// Its id.
    pub fn id(&self) -> &'static str {
        self.id
    }

    /// Whether it needs a token.
    pub fn needs_token(&self) -> bool {
        self.needs_token
    }

    /// It may answer this status, with such a body. Told twice: with the one or the other.
    pub fn gives<T: JsonSchema>(mut self, status: u16) -> Self {
        self.answers.entry(status).or_default().push(SchemaGenerator::subschema_for::<T>);
        self
    }

    /// It may answer this status, without a body.
    pub fn empty(mut self, status: u16) -> Self {
        self.answers.entry(status).or_default();
        self
    }

    /// It may answer 202: the work goes on.
    pub fn accepts(self) -> Self {
        self.empty(202)
    }

    /// It answers 200 with pages of such entries.
    pub fn lists<T: JsonSchema>(self) -> Self {
        self.gives::<List<T>>(200).query(TOP).query(SKIP_TOKEN)
    }

    /// Its list can be filtered.
    pub fn filtered(self) -> Self {
        self.query(FILTER)
    }

    /// It takes such a body, for example this one; told again, for another example.
    pub fn takes<T: JsonSchema>(self, example: Value) -> Self {
        self.body::<T>("application/json", true, example)
    }

    /// It takes such a body, or none.
    pub fn may_take<T: JsonSchema>(self, example: Value) -> Self {
        self.body::<T>("application/json", false, example)
    }

    /// It takes a form with such fields.
    pub fn takes_form<T: JsonSchema>(self, example: Value) -> Self {
        self.body::<T>("application/x-www-form-urlencoded", true, example)
    }

    fn body<T: JsonSchema>(
        mut self,
        media_type: &'static str,
        required: bool,
        example: Value,
    ) -> Self {
        let schema = SchemaGenerator::subschema_for::<T>;
        let none = || Request { schema, media_type, required, examples: Vec::new() };
        self.request.get_or_insert_with(none).examples.push(example);
        self
    }

    /// It reads this query parameter, which may be missing.
    pub fn query(mut self, parameter: Parameter) -> Self {
        self.query.push(parameter);
        self
    }

    /// It may refuse with these statuses too, such as 409 for what is in the way.
    pub fn refuses(mut self, statuses: &[u16]) -> Self {
        self.errors.extend(statuses);
        self
    }

    /// Its errors have such bodies instead of ARM's.
    pub fn errs_with<T: JsonSchema>(mut self) -> Self {
        self.error = Some(SchemaGenerator::subschema_for::<T>);
        self
    }

    /// The names in braces in its path.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        let parts = self.path.split('/');
        parts.filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
    }
}

/// The document: the operations in the order of their paths, and `names`, the parameters that paths
/// may hold.
pub fn document(operations: &[Operation], names: &[Parameter]) -> Value {
    let mut schemas = Schemas::new();
    let mut paths = BTreeMap::<&str, Map<String, Value>>::new();
    for operation in operations {
        let methods = paths.entry(operation.path).or_default();
        methods.insert(operation.method.to_lowercase(), render(operation, &mut schemas));
    }
    let common = COMMON.iter().map(|query| (key(query), parameter(query, "query")));
    let of_paths = names.iter().map(|name| (key(name), parameter(name, "path")));
    let parameters: Map<String, Value> = common.chain(of_paths).collect();
    let body = schemas.answered.subschema_for::<ErrorBody>();
    let mut responses = Map::new();
    for status in [400, 401, 403, 404, 405, 409, 412, 413, 503] {
        responses.insert(format!("Error{status}"), with_body(meaning(status), &body));
    }
    responses.insert("Failed".to_owned(), with_body(FAILED, &body));
    let document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Holdfast",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "Azure Backup's API for virtual machines, served by libvirt hosts.",
            "description": "Paths match in any case of letters. Any well-formed api-version is \
                            accepted. Unknown fields of a request are ignored.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": "https://localhost:8443" }],
        "paths": paths,
        "components": {
            "parameters": parameters,
            "responses": responses,
            "securitySchemes": { "token": {
                "type": "oauth2",
                "flows": { "clientCredentials": {
                    "tokenUrl": "/adfs/oauth2/token",
                    "scopes": { "/.default": "Whatever the principal's roles allow." },
                } },
            } },
        },
    });
    schemas.into_document(document)
}

/// The two ways of describing a type, which share one place in the document.
struct Schemas {
    sent: SchemaGenerator,
    answered: SchemaGenerator,
}

/// Where the document keeps its types.
const TYPES: &str = "#/components/schemas/";
/// Where requests' types stand until it is known which names are free.
const SENT: &str = "#/sent/";

impl Schemas {
    fn new() -> Self {
        let settings = |place: &'static str| {
            let place = place.trim_end_matches('/').into();
            SchemaSettings::draft2020_12().with(|settings| settings.definitions_path = place)
        };
        Self {
            sent: settings(SENT).for_deserialize().into_generator(),
            answered: settings(TYPES).for_serialize().into_generator(),
        }
    }

    /// The document with all types in it. Types that are both answered and sent stand there twice:
    /// as what is answered, and with `Sent` behind the name.
    fn into_document(mut self, mut document: Value) -> Value {
        let mut types = self.answered.take_definitions(true);
        let sent = self.sent.take_definitions(true);
        let names: BTreeMap<String, String> = sent
            .keys()
            .map(|name| {
                let suffix = if types.contains_key(name) { "Sent" } else { "" };
                (name.clone(), format!("{name}{suffix}"))
            })
            .collect();
        types.extend(sent.into_iter().map(|(name, schema)| (names[&name].clone(), schema)));
        document["components"]["schemas"] = types.into();
        redirect(&mut document, &names);
        document
    }
}

/// Gives every reference to a request's type the type's final name.
fn redirect(value: &mut Value, names: &BTreeMap<String, String>) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                let target = value.as_str().filter(|_| key == "$ref");
                match target.and_then(|target| names.get(target.strip_prefix(SENT)?)) {
                    Some(name) => *value = format!("{TYPES}{name}").into(),
                    None => redirect(value, names),
                }
            }
        }
        Value::Array(entries) => entries.iter_mut().for_each(|entry| redirect(entry, names)),
        _ => {}
    }
}

fn render(operation: &Operation, schemas: &mut Schemas) -> Value {
    let of_path = operation.names().map(|name| reference("parameters", name));
    let of_query = operation.query.iter().map(|query| match COMMON.contains(query) {
        true => reference("parameters", &key(query)),
        false => parameter(query, "query"),
    });
    let mut rendered = json!({
        "operationId": operation.id,
        "summary": operation.summary,
        "parameters": of_path.chain(of_query).collect::<Vec<_>>(),
        "responses": answers(operation, schemas),
    });
    if operation.needs_token {
        rendered["security"] = json!([{ "token": ["/.default"] }]);
    }
    if let Some(request) = &operation.request {
        let schema = (request.schema)(&mut schemas.sent);
        let numbered = request.examples.iter().enumerate();
        let examples: Map<String, Value> = numbered
            .map(|(at, example)| ((at + 1).to_string(), json!({ "value": example })))
            .collect();
        rendered["requestBody"] = json!({
            "required": request.required,
            "content": { request.media_type: { "schema": schema, "examples": examples } },
        });
    }
    rendered
}

/// A reference to a part that several operations share.
fn reference(kind: &str, name: &str) -> Value {
    json!({ "$ref": format!("#/components/{kind}/{name}") })
}

/// The name of a shared parameter: no `$`.
fn key(parameter: &Parameter) -> String {
    parameter.name.trim_start_matches('$').to_owned()
}

fn parameter(parameter: &Parameter, place: &str) -> Value {
    let mut schema = json!({ "type": "string", "examples": [parameter.example] });
    if !parameter.pattern.is_empty() {
        schema["pattern"] = parameter.pattern.into();
    }
    json!({
        "name": parameter.name,
        "in": place,
        "required": place == "path" || *parameter == VERSION,
        "description": parameter.meaning,
        "schema": schema,
    })
}

fn with_body(description: &str, schema: &Schema) -> Value {
    json!({
        "description": description,
        "content": { "application/json": { "schema": schema } },
    })
}

/// The answers: successes, and what is refused.
fn answers(operation: &Operation, schemas: &mut Schemas) -> Value {
    let mut answers = Map::new();
    for (status, bodies) in &operation.answers {
        let mut bodies: Vec<Schema> =
            bodies.iter().map(|body| body(&mut schemas.answered)).collect();
        let mut answer = json!({ "description": meaning(*status) });
        if let Some(last) = bodies.pop() {
            let schema = if bodies.is_empty() {
                last
            } else {
                bodies.push(last);
                schemars::json_schema!({ "anyOf": bodies })
            };
            answer = with_body(meaning(*status), &schema);
        }
        if operation.text {
            answer["content"] = json!({ "text/plain": { "schema": { "type": "string" } } });
        }
        if *status == 202 {
            let seconds = json!({ "type": "integer", "minimum": 1 });
            answer["headers"] = json!({ "Retry-After": { "required": true, "schema": seconds } });
        }
        answers.insert(status.to_string(), answer);
    }
    // A URL that cannot be read is answered before anybody knows what it was for: in ARM's words.
    let own = operation.error.map(|error| {
        let own = error(&mut schemas.answered);
        let arm = schemas.answered.subschema_for::<ErrorBody>();
        schemars::json_schema!({ "anyOf": [own, arm] })
    });
    for status in &operation.errors {
        let answer = match &own {
            Some(body) => with_body(meaning(*status), body),
            None => reference("responses", &format!("Error{status}")),
        };
        answers.insert(status.to_string(), answer);
    }
    answers.insert("5XX".to_owned(), reference("responses", "Failed"));
    answers.into()
}

const FAILED: &str = "The service, or what it depends on, failed: see the error's code.";

/// What a status means here.
const fn meaning(status: u16) -> &'static str {
    match status {
        200 => "As asked.",
        201 => "Created.",
        202 => "The work goes on: look again after `Retry-After` seconds.",
        204 => "Done, or there is nothing to tell.",
        400 => "The request is not understood, or cannot be done.",
        401 => "The token is missing, wrong or has expired.",
        403 => "The caller's roles do not allow it.",
        404 => "There is no such thing.",
        405 => "Not by this method.",
        409 => "Something is in the way.",
        412 => "It has changed meanwhile.",
        413 => "The request is too long.",
        503 => "A host or a store cannot be reached.",
        _ => "See the error's code.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arm::policy::{Policy, PolicyRequest};

    const GROUP: Parameter =
        Parameter { name: "group", meaning: "A group.", pattern: "^[a-z]+$", example: "g" };

    fn written() -> Value {
        let put = Operation::new("Policies_Put", "PUT", "/groups/{group}", "Writes.")
            .takes::<PolicyRequest>(json!({}))
            .gives::<Policy>(200)
            .accepts();
        document(&[put], &[GROUP])
    }

    /// Every reference in a document.
    fn references(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(fields) => fields.iter().for_each(|(key, value)| match value {
                Value::String(target) if key == "$ref" => found.push(target.clone()),
                _ => references(value, found),
            }),
            Value::Array(entries) => entries.iter().for_each(|entry| references(entry, found)),
            _ => {}
        }
    }

    #[test]
    fn every_reference_leads_somewhere() {
        let document = written();
        let mut found = Vec::new();
        references(&document, &mut found);
        assert!(found.len() > 10, "{found:?}");
        for target in found {
            let pointer = target.strip_prefix('#').expect("inside the document");
            assert!(document.pointer(pointer).is_some(), "{target}");
        }
    }

    #[test]
    fn what_may_be_missing_in_a_request_is_always_there_in_an_answer() {
        let document = written();
        let required = |name: &str| {
            let names = document["components"]["schemas"][name]["required"].as_array();
            names.expect("some").iter().any(|name| name == "protectedItemsCount")
        };
        assert!(required("PolicyProperties"));
        assert!(!required("PolicyPropertiesSent"));
    }

    #[test]
    fn types_are_named_after_what_they_hold() {
        let document = written();
        let named = |name: &str| document["components"]["schemas"].get(name).is_some();
        assert!(named("Resource_PolicyProperties"), "{:#}", document["components"]["schemas"]);
    }

    #[test]
    fn an_operation_tells_what_it_takes_and_gives() {
        let document = written();
        let put = &document["paths"]["/groups/{group}"]["put"];
        let body = "/requestBody/content/application~1json/schema/$ref";
        let type_of = |pointer| put.pointer(pointer).and_then(Value::as_str);
        assert_eq!(type_of(body), Some("#/components/schemas/PolicyRequest"));
        assert_eq!(type_of("/responses/400/$ref"), Some("#/components/responses/Error400"));
        assert!(put["responses"]["202"]["headers"]["Retry-After"].is_object());
    }
}
