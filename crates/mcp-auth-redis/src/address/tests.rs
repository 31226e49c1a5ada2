use super::*;

fn host(name: &str, port: u16) -> Host {
    let name = name.to_owned();
    Host { name, port }
}

fn single(name: &str, port: u16, database: u32) -> Address {
    Address {
        servers: Servers::Single { database },
        tls: false,
        hosts: vec![host(name, port)],
        username: None,
        password: None,
    }
}

fn with(mut address: Address, username: Option<&str>, password: &str) -> Address {
    address.username = username.map(str::to_owned);
    address.password = Some(password.to_owned());
    address
}

#[test]
fn takes_every_form_that_is_named() {
    let sentinel = |database| Servers::Sentinel {
        service: "mymaster".to_owned(),
        database,
    };
    let two = vec![host("a", 26379), host("b", 1)];
    let table = [
        ("redis://localhost", single("localhost", 6379, 0)),
        ("redis://localhost/", single("localhost", 6379, 0)),
        ("redis://10.0.0.1:7000/15", single("10.0.0.1", 7000, 15)),
        ("redis://[::1]:7000", single("::1", 7000, 0)),
        ("redis://[fe80::1]", single("fe80::1", 6379, 0)),
        (
            "redis://user:p%40ss%2Fw%3ard@h",
            with(single("h", 6379, 0), Some("user"), "p@ss/w:rd"),
        ),
        ("redis://:a:b@h:1/2", with(single("h", 1, 2), None, "a:b")),
        (
            "rediss://h",
            Address {
                tls: true,
                ..single("h", 6379, 0)
            },
        ),
        (
            "redis-cluster://a,b:7001,[::1]:7002",
            Address {
                servers: Servers::Cluster,
                hosts: vec![host("a", 6379), host("b", 7001), host("::1", 7002)],
                ..single("", 0, 0)
            },
        ),
        (
            "rediss-cluster://u:p@a/",
            with(
                Address {
                    servers: Servers::Cluster,
                    tls: true,
                    ..single("a", 6379, 0)
                },
                Some("u"),
                "p",
            ),
        ),
        (
            "redis-sentinel://a,b:1/mymaster",
            Address {
                servers: sentinel(0),
                hosts: two.clone(),
                ..single("", 0, 0)
            },
        ),
        (
            "rediss-sentinel://u:p@a,b:1/mymaster/3",
            with(
                Address {
                    servers: sentinel(3),
                    tls: true,
                    hosts: two,
                    ..single("", 0, 0)
                },
                Some("u"),
                "p",
            ),
        ),
    ];
    for (url, wanted) in table {
        let found = Address::parse(url).unwrap();
        assert!(found == wanted, "{url}: {found:?} {:?}", found.servers);
    }
}

#[test]
fn says_which_part_is_wrong_and_never_repeats_it() {
    let table = [
        ("", "must begin with redis://"),
        ("localhost:6379", "must begin with redis://"),
        ("redis:localhost", "must begin with redis://"),
        ("Redis://h", "must begin with redis://"),
        ("http://h", "must begin with redis://"),
        ("postgres://h/d", "must begin with redis://"),
        ("redis://", "must name a host"),
        ("redis:///0", "must name a host"),
        ("redis://:6379", "must name a host"),
        ("redis://h h", "must name a host"),
        ("redis://[::1", "must name a host"),
        ("redis://[::1]6379", "must name a host"),
        ("redis-cluster://a,,b", "must name a host"),
        ("redis-cluster://a,", "must name a host"),
        ("redis://a,b", "must name one host"),
        ("redis://h:", "must give a port"),
        ("redis://h:0", "must give a port"),
        ("redis://h:65536", "must give a port"),
        ("redis://h:+1", "must give a port"),
        ("redis://::1", "must give a port"),
        ("redis://h/x", "must end with the number of the database"),
        ("redis://h/-1", "must end with the number of the database"),
        ("redis://h/0/1", "must end with the number of the database"),
        ("redis://hunter2@h", "must give credentials"),
        ("redis://user:@h", "must give credentials"),
        ("redis://:%zz@h", "must give credentials"),
        ("redis://:%ff@h", "must give credentials"),
        ("redis://user:hunter2/@h", "must give a port"),
        ("redis://user:hunter2?@h", "must have no `?`"),
        ("redis://h?db=1", "must have no `?`"),
        ("redis://user:hunter2#@h", "must have no `?`"),
        ("redis-cluster://h/0", "must name no database"),
        ("redis-sentinel://h", "must name the service"),
        ("redis-sentinel://h//0", "must name the service"),
        ("redis-sentinel://h/s/x", "must end with the number"),
    ];
    for (url, wanted) in table {
        let error = Address::parse(url).unwrap_err().to_string();
        assert!(
            error.starts_with(&format!("store URL: {wanted}")),
            "{url}: {error}"
        );
        assert!(!error.contains("hunter2"), "{url}: {error}");
    }
}

#[test]
fn shows_hosts_and_no_credentials() {
    let url = "rediss-sentinel://user:hunter2@a,[::1]:7/mymaster/3";
    let shown = format!("{:?}", Address::parse(url).unwrap());
    assert_eq!(shown, "a:26379,[::1]:7");
}
