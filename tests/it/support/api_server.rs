//! The parts of Kubernetes' API server that helm needs to look objects up.

use std::{
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    thread,
};

use serde_json::{Value, json};

/// Serves these objects, each with its path, until the process ends, and returns the address.
pub(crate) fn serve(objects: Vec<(String, Value)>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it is bound").to_string();
    thread::spawn(move || {
        for connection in listener.incoming() {
            // Helm can disconnect at any time.
            let _ = respond(&connection.expect("a connection"), &objects);
        }
    });
    address
}

/// Responds to one request: with the object or the description of the API at its path, or with 404.
fn respond(mut stream: &TcpStream, objects: &[(String, Value)]) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream).lines();
    let request = lines.next().unwrap_or_else(|| Ok(String::new()))?;
    for line in lines {
        if line?.is_empty() {
            break;
        }
    }
    let path = request.split([' ', '?']).nth(1).unwrap_or_default();
    let object = objects.iter().find_map(|(of, object)| (of == path).then(|| object.clone()));
    let (status, body) = match object.or_else(|| described(path)) {
        Some(body) => ("200 OK", body),
        None => ("404 Not Found", json!({"kind": "Status", "status": "Failure", "code": 404})),
    };
    let body = body.to_string();
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{body}",
        body.len()
    )
}

/// Returns the description of the API at this path: versions, groups and kinds.
fn described(path: &str) -> Option<Value> {
    let kinds = |group: &str, kinds: &[(&str, &str)]| {
        let resources = kinds.iter().map(|(name, kind)| {
            json!({"name": name, "kind": kind, "namespaced": true, "verbs": ["get", "list"]})
        });
        let resources: Vec<_> = resources.collect();
        json!({"kind": "APIResourceList", "groupVersion": group, "resources": resources})
    };
    let apps = json!({"groupVersion": "apps/v1", "version": "v1"});
    Some(match path {
        "/version" => json!({"major": "1", "minor": "33", "gitVersion": "v1.33.0"}),
        "/api" => json!({"kind": "APIVersions", "versions": ["v1"]}),
        "/apis" => json!({"kind": "APIGroupList", "groups": [
            {"name": "apps", "versions": [apps], "preferredVersion": apps},
        ]}),
        "/api/v1" => kinds("v1", &[("configmaps", "ConfigMap"), ("services", "Service")]),
        "/apis/apps/v1" => {
            kinds("apps/v1", &[("deployments", "Deployment"), ("replicasets", "ReplicaSet")])
        }
        _ => return None,
    })
}
