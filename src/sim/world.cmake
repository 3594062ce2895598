# The simulated world: what firehose-sim serves. Depends on the base library alone.
fh_library(simworld
  SOURCES campus.c canvas.c floor_map.c campus_people.c campus_things.c life.c life_device.c life_place.c life_thing.c
          payload.c payload_device.c payload_place.c payload_thing.c
          world.c world_ledger.c world_replay.c world_text.c world_window.c
  DEPENDS base
  LIBRARIES PkgConfig::ZLIB Threads::Threads)
target_include_directories(fh_simworld PUBLIC ${CMAKE_CURRENT_SOURCE_DIR})
fh_bench(bench_world SOURCES ${CMAKE_SOURCE_DIR}/tests/bench/bench_world.c LINKS fh_simworld)
fh_test(test_sim_stream LABEL unit SOURCES ${CMAKE_SOURCE_DIR}/tests/unit/test_sim_stream.c
  LINKS fh_simworld PkgConfig::CJSON TIMEOUT 240 ARGS ${CMAKE_SOURCE_DIR}/tests/data/sample-events.ndjson)
fh_test(test_sim_world LABEL unit SOURCES ${CMAKE_SOURCE_DIR}/tests/unit/test_sim_world.c
  LINKS fh_simworld TIMEOUT 180)
