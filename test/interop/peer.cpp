// A Fast DDS application that uses ROS 2 topics, for test_fastdds.py. It prints one line for each received message.
//
//   fastdds_peer poses     DOMAIN TOPIC          subscribes to a PoseArray, and prints `matched` when there is a writer
//                                                and every message that it receives
//   fastdds_peer image     DOMAIN TOPIC W H      publishes an Image, best effort, at 20 Hz
//   fastdds_peer malformed DOMAIN TOPIC          after a line on stdin, publishes malformed samples, each followed by a
//                                                valid String
//
// It exits when its stdin is closed.

#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include <fastdds/dds/domain/DomainParticipant.hpp>
#include <fastdds/dds/domain/DomainParticipantFactory.hpp>
#include <fastdds/dds/publisher/DataWriter.hpp>
#include <fastdds/dds/publisher/Publisher.hpp>
#include <fastdds/dds/publisher/qos/DataWriterQos.hpp>
#include <fastdds/dds/subscriber/DataReader.hpp>
#include <fastdds/dds/subscriber/DataReaderListener.hpp>
#include <fastdds/dds/subscriber/SampleInfo.hpp>
#include <fastdds/dds/subscriber/Subscriber.hpp>
#include <fastdds/dds/subscriber/qos/DataReaderQos.hpp>
#include <fastdds/dds/topic/TopicDataType.hpp>
#include <fastdds/dds/topic/TypeSupport.hpp>

#include "MessagesPubSubTypes.h"

namespace fast = eprosima::fastdds::dds;
namespace rtps = eprosima::fastrtps::rtps;
using geometry_msgs::msg::dds_::PoseArray_;
using geometry_msgs::msg::dds_::PoseArray_PubSubType;
using sensor_msgs::msg::dds_::Image_;
using sensor_msgs::msg::dds_::Image_PubSubType;
using Bytes = std::vector<std::uint8_t>;

// A type whose samples are sent as raw bytes, header included.
class RawType : public fast::TopicDataType {
 public:
  explicit RawType(const char* name) {
    setName(name);
    m_typeSize = 1024;
    m_isGetKeyDefined = false;
  }
  bool serialize(void* sample, rtps::SerializedPayload_t* payload) override {
    const Bytes& bytes = *static_cast<Bytes*>(sample);
    payload->encapsulation = CDR_LE;
    payload->length = static_cast<std::uint32_t>(bytes.size());
    std::memcpy(payload->data, bytes.data(), bytes.size());
    return true;
  }
  bool deserialize(rtps::SerializedPayload_t*, void*) override { return false; }
  std::function<std::uint32_t()> getSerializedSizeProvider(void* sample) override {
    return [sample] { return static_cast<std::uint32_t>(static_cast<Bytes*>(sample)->size()); };
  }
  void* createData() override { return new Bytes; }
  void deleteData(void* sample) override { delete static_cast<Bytes*>(sample); }
  bool getKey(void*, rtps::InstanceHandle_t*, bool) override { return false; }
};

class PosePrinter : public fast::DataReaderListener {
 public:
  void on_subscription_matched(fast::DataReader*, const fast::SubscriptionMatchedStatus& status) override {
    if (status.current_count_change > 0) {
      std::printf("matched\n");
    }
  }
  void on_data_available(fast::DataReader* reader) override {
    PoseArray_ message;
    fast::SampleInfo info;
    while (reader->take_next_sample(&message, &info) == ReturnCode_t::RETCODE_OK) {
      if (!info.valid_data) {
        continue;
      }
      const auto& header = message.header_();
      std::printf("%d %u %s", header.stamp_().sec_(), header.stamp_().nanosec_(), header.frame_id_().c_str());
      for (const auto& pose : message.poses_()) {
        const auto& p = pose.position_();
        const auto& q = pose.orientation_();
        std::printf(" %.17g %.17g %.17g %.17g %.17g %.17g %.17g", p.x_(), p.y_(), p.z_(), q.x_(), q.y_(), q.z_(), q.w_());
      }
      std::printf("\n");
    }
  }
};

static std::atomic<bool> running{true};
static std::atomic<bool> told_to_write{false};

static void read_stdin_to_its_end() {
  char ignored;
  while (read(STDIN_FILENO, &ignored, 1) > 0) {
    told_to_write = true;
  }
  running = false;
}

template <typename T>
static T* made(T* entity, const char* what) {
  if (entity == nullptr) {
    std::fprintf(stderr, "fastdds_peer: cannot create the %s\n", what);
    std::exit(1);
  }
  return entity;
}

class Peer {
 public:
  Peer(int domain, const std::string& topic, fast::TopicDataType* type)
      : participant_(made(factory()->create_participant(domain, fast::PARTICIPANT_QOS_DEFAULT), "participant")) {
    fast::TypeSupport support(type);
    support.register_type(participant_);
    topic_ = made(participant_->create_topic("rt" + topic, support.get_type_name(), fast::TOPIC_QOS_DEFAULT), "topic");
  }
  ~Peer() {
    participant_->delete_contained_entities();
    factory()->delete_participant(participant_);
  }
  fast::DataWriter* writer(fast::ReliabilityQosPolicyKind reliability) {
    auto* publisher = made(participant_->create_publisher(fast::PUBLISHER_QOS_DEFAULT), "publisher");
    fast::DataWriterQos qos = fast::DATAWRITER_QOS_DEFAULT;
    qos.reliability().kind = reliability;
    qos.history().depth = 20;
    qos.publish_mode().kind = fast::ASYNCHRONOUS_PUBLISH_MODE;
    qos.endpoint().history_memory_policy = rtps::PREALLOCATED_WITH_REALLOC_MEMORY_MODE;
    return made(publisher->create_datawriter(topic_, qos), "writer");
  }
  void reader(fast::DataReaderListener* listener) {
    auto* subscriber = made(participant_->create_subscriber(fast::SUBSCRIBER_QOS_DEFAULT), "subscriber");
    fast::DataReaderQos qos = fast::DATAREADER_QOS_DEFAULT;
    qos.reliability().kind = fast::RELIABLE_RELIABILITY_QOS;
    qos.history().depth = 20;
    qos.endpoint().history_memory_policy = rtps::PREALLOCATED_WITH_REALLOC_MEMORY_MODE;
    made(subscriber->create_datareader(topic_, qos, listener), "reader");
  }

 private:
  static fast::DomainParticipantFactory* factory() { return fast::DomainParticipantFactory::get_instance(); }
  fast::DomainParticipant* participant_;
  fast::Topic* topic_;
};

static void wait_for_reader(fast::DataWriter* writer) {
  fast::PublicationMatchedStatus status;
  while (running && (writer->get_publication_matched_status(status), status.current_count == 0)) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

static void poses(int domain, const std::string& topic) {
  PosePrinter printer;
  Peer peer(domain, topic, new PoseArray_PubSubType);
  peer.reader(&printer);
  while (running) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

static void image(int domain, const std::string& topic, std::uint32_t width, std::uint32_t height) {
  Peer peer(domain, topic, new Image_PubSubType);
  auto* writer = peer.writer(fast::BEST_EFFORT_RELIABILITY_QOS);
  Image_ message;
  message.header_().stamp_().sec_(1700000000);
  message.header_().stamp_().nanosec_(123456789);
  message.header_().frame_id_("camera_optical");
  message.width_(width);
  message.height_(height);
  message.encoding_("rgb8");
  message.step_(3 * width);
  Bytes pixels(std::size_t{3} * width * height);
  for (std::size_t i = 0; i < pixels.size(); ++i) {
    pixels[i] = static_cast<std::uint8_t>(i * 7 + i / 256);
  }
  message.data_(pixels);
  wait_for_reader(writer);
  while (running) {
    writer->write(&message);
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
}

static void malformed(int domain, const std::string& topic) {
  Peer peer(domain, topic, new RawType("std_msgs::msg::dds_::String_"));
  auto* writer = peer.writer(fast::RELIABLE_RELIABILITY_QOS);
  Bytes good{0, 1, 0, 0, 3, 0, 0, 0, 'o', 'k', 0, 0};
  std::vector<Bytes> bad{
      {0, 1, 0, 0, 255, 255, 255, 255},           // a length of 4 GiB
      {0, 1, 0, 0, 8, 0, 0, 0, 'a', 'b', 0, 0},   // a length beyond the end
      {0, 1, 0, 0, 3, 0, 0, 0, 'a', 'b', 'c', 0}, // no terminator
      {0, 1, 0, 0, 2, 0, 0, 0, 0xff, 0, 0, 0},    // not UTF-8
      {0, 1, 0, 0},                               // nothing after the header
      {9, 9, 0, 0, 3, 0, 0, 0, 'o', 'k', 0, 0},   // an encapsulation that does not exist
  };
  wait_for_reader(writer);
  while (running && !told_to_write) {  // the reader may not know the writer yet, and would miss what is written before
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  for (auto& bytes : bad) {
    writer->write(&bytes);
    writer->write(&good);
  }
  while (running) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

int main(int argc, char** argv) {
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  const std::string mode = argc > 3 ? argv[1] : "";
  std::thread(read_stdin_to_its_end).detach();
  if (mode == "poses") {
    poses(std::atoi(argv[2]), argv[3]);
  } else if (mode == "image" && argc == 6) {
    image(std::atoi(argv[2]), argv[3], std::atoi(argv[4]), std::atoi(argv[5]));
  } else if (mode == "malformed") {
    malformed(std::atoi(argv[2]), argv[3]);
  } else {
    std::fprintf(stderr, "usage: fastdds_peer poses|image|malformed DOMAIN TOPIC [WIDTH HEIGHT]\n");
    return 2;
  }
  return 0;
}
